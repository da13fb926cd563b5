"""What a person types: one module a command, and the folder and the session that they share."""
