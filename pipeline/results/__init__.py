"""From models to what is said of them: evaluation, statistics over seeds, figures."""
