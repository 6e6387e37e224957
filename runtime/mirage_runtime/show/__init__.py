"""The show: presets, cues, and what plays them besides people: MIDI controllers and sound."""
