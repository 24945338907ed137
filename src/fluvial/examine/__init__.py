"""How far a model can be trusted: checks against chance, their verdict, and the page that shows it."""
