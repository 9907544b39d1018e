"""What membership is: values, events and rules. Pure; no clock, no disk, no network."""
