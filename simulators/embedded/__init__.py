"""All parts on one machine: servers, roles and simulators as child processes of one supervisor."""
