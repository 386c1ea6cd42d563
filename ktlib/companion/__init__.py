"""What makes the tables: scales, studies, the record, figures, pages, and the runner of the notebooks."""
