# What a job needs before it starts; sourced on the cluster by pre_run (jobflow-remote) and pre_rocket (FireWorks).
# Copy it to the cluster, change what is in capitals, and see with "nawf doctor" what a worker makes of it.
# It must print nothing, and must work when nobody is logged in.

# The modules that VASP was built with, and VASP.
#   module purge
#   module load VASP/6.4.3

# The environment in which nawf is installed, with the same versions as where jobs are submitted from.
source "$HOME/nawf/.venv/bin/activate"

# One thread for each rank, unless VASP was built for more.
export OMP_NUM_THREADS=1

# How VASP is called here, and where its potentials are: for engine vasp, set the folder that has
# POT_PAW_PBE_64/Na_pv/POTCAR and so on. A rehearsal needs none of it.
export NAWF_VASP_COMMAND="srun vasp_std"
export NAWF_VASP_GAMMA_COMMAND="srun vasp_gam"
#   export NAWF_POTCAR_FOLDER="$HOME/potcars"

# Where runs are kept and taken up again after they were cut off: a folder that all nodes see and nobody cleans between
# two jobs.
export NAWF_RUN_FOLDER="${SCRATCH:-$HOME}/nawf-runs"

# FireWorks only: its jobs write to nawf's store themselves. The file has nothing but the password.
#   export NAWF_STORE_PASSWORD="$(cat "$HOME/.nawf-store-password")"
