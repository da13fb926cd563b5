"""Results as people look at them: numbers, figures, pages and files for ParaView."""
