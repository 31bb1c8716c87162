"""The GitHub Action's logic. action.yml installs the project and starts `python -m robust.action`, and nothing else."""

NOTES = "ROBUST_ACTION_NOTES"  # the environment variable with the path of the file that the run writes its outcome to
