"""Records: what a run leaves behind, as strict JSON; figures and pages are made from them alone."""
