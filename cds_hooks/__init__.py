"""CDS Hooks: the wire, the cards, the command line and the workbench. The only room that knows HTTP, files and time."""
