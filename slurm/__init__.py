"""The scheduler: plans a sweep and runs its jobs on SLURM, in local processes, or right here."""
