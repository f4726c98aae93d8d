"""The HTTP side: API for systems and officers, event stream, and the web desk."""
