"""Everything behind one UDP socket."""
