"""The scheduler: fans the cells of a sweep out to SLURM (to come)."""
