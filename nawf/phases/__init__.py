"""The structure library: which phases there are, where their structures come from, and whether they are sound."""
