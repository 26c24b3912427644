"""The words everything else is said in: names, evidence, facts, rules, shares, traces, verdicts, errors."""
