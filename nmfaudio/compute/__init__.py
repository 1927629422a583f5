"""Work on several cores and in several processes."""
