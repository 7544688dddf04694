"""The report: records, verdicts and figures on one page that reproduces the paper."""
