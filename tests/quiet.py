"""What a run draws and reports, which takes longer than a tiny run itself, switched off for tests of something else."""

NO_REPORT = ["explanations=false", "report=false", "callbacks.model_graph=null"]
QUIET = [*NO_REPORT, "logger.tensorboard=null"]
