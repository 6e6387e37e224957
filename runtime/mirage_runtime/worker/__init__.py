"""The process that owns one device and runs the pipeline on it, and the daemon's hold on that process."""
