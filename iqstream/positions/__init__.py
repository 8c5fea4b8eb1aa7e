"""Moving a stage to another position on the topic that it reads: what that means first, then the move."""
