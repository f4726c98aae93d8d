"""What goes over the wire. Field names are the column names of the schema."""
