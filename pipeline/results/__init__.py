"""From models to results: evaluation, statistics over seeds, figures, tables and pages."""
