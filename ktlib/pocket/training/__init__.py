"""How the pocket models are trained, and the cards that say what came of it."""
