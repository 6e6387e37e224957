"""What is remembered from frame to frame, and how it moves: the temporal coherence engine."""
