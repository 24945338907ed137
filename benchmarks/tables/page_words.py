"""What the page of mixed tables beside the field says between its tables."""

INTRODUCTION = """# Mixed tables, beside the field

Written by `python -m benchmarks.tables.page` from `benchmarks/records/mixed.jsonl`, `imputation.jsonl` and
`prediction.jsonl`; `python -m benchmarks.tables.mixed run`, and likewise `imputation` and `prediction`, measure
what has no record yet. The other engines are those of mostlyai-engine 2.7 (TabularARGN), SDV 2.0 (GaussianCopula,
CTGAN, TVAE), arfpy 0.1 (adversarial random forests, ARF), scikit-learn 1.9 and miceforest 6.0, with their
defaults.

Everybody learns from the same frame on one thread with the same budget, 60 seconds of processor time, so that what
else runs on the machine makes no difference. Who is done earlier stops earlier. fluvial scores the rows that it held
out, a tenth, after its budget; another tenth stops its training. TabularARGN's budget leaves out the time to read a
table, that of CTGAN and TVAE what SDV reads in other processes. What single engines needed beyond their
defaults: TabularARGN runs without its protection of rare values. CTGAN and TVAE have 300 epochs, or as many as fit.
ARF learns from as many random rows as it can take in within the budget, and sees missing numbers as medians beside a
column that says so. GaussianCopula takes as long as it takes. A seed decides the split and all noise. What is not
there was not measured.
"""
RANKS = """## Drawn tables: ranks

Each engine draws as many rows as it learnt from, and these are compared with rows that nobody learnt from: a third
of penguins, titanic and red wine (its class as a label), a fifth of diamonds, and the official test file of adult.
Mean rank among the engines over the tables on which all of them were measured, 1 at best, and its standard error.
"""
MEASURES = """## Drawn tables: measures

- column shapes, pair trends: SDMetrics' scores, 1 at best; of at most 5,000 rows each.
- two-sample AUC: how well boosted trees tell drawn from held-out rows, cross-validated; 0.5 at best. Of few rows
  it falls below 0.5 by the way cross-validation works, which counts as 0.5.
- trained on draws: how well boosted trees that learnt from the draws predict held-out rows: the AUC of income
  (adult) and survived (titanic, without `alive`), the accuracy of species, quality and cut.
- nearest row: the mean distance from a drawn row to the nearest row learnt from, over that from a held-out row. 1
  is what new rows of the same kind have; below it rows are repeated, above it they lie off the data.

The first line has the rows learnt from themselves in place of draws: what chance alone leaves of each measure.
Behind means of several seeds, their standard errors.
"""
SINGLE = """## What it takes, on adult
"""
GAPS = """## Gaps

30 % of the cells removed at random, from the rows learnt from (4,000 at most) and from the rows that are then
filled in (500 at most). IterativeImputer draws from the posterior of its regressions, with labels one-hot;
KNNImputer gives one best guess; miceforest's chained trees run three rounds and learn from the rows to be filled
in too. A filler that draws does so 20 times, or as often as 30 seconds allow, which are the budget of everybody's
fit here. CRPS of numbers in standard deviations of their columns, of one guess its absolute error; accuracy of
labels, by the most frequent draw; both are means over columns. fluvial alone has a log score of what stood behind
a gap, log p(value | the cells that are there), exact: nats, numbers in standard deviations. A label that the rows
learnt from never show is left out.
"""
PREDICTIONS = """## Predictions

The joint density as a predictor of one column given the others, beside scikit-learn's HistGradientBoosting with
its defaults, which learns that column only: a classifier, and for the price of diamonds 19 regressors, one for
each quantile. CRPS by those 19 quantiles, in dollars; the calibration error is the mean distance between stated
and observed frequencies, over 15 bins of probability or over the 19 levels.
"""
SHORT = """## Where fluvial falls short, and why

- The cut of diamonds from the joint density: boosted trees that learn this one column are ahead by 0.035 of AUC. The
  network of the column learns to read any set of the others in the time that they have for one; taught with all others
  and the table's own order alone it comes to 0.94, and then knows little of other questions. Price and income are
  foretold as well as by the trees.
- Calibration: of income the error is 0.010, of the trees 0.007; shares that are right have 0.007 over 16,281 rows by
  chance alone. Of cut and price it is two thirds and three quarters of theirs.
- Small tables: of titanic's 594 rows fluvial learns from 476, since a fifth judges it and stops its training. Of
  the women in first class 0.81 to 0.92 survive in its draws, 0.97 in the table. ARF and TVAE end up with draws from
  which survival is learnt a little better.
- Ages that are nearly all whole: 96 % in titanic, 73 to 76 % in the draws; the frequent ones alone have a probability
  of their own beside the grid of hundredths on which infants' ages lie.
- Caps that few rows reach: 0.07 to 0.09 % of the draws work more than the 99 hours and 0.07 to 0.08 % are older than
  the 90 years where adult ends.
- Rows that contradict themselves: 0.01 to 0.03 % of the draws are husbands and female. Where one column follows from
  another without exception (survived and alive, the class twice), fluvial derives it and no draw contradicts.
- Numbers in gaps: chained trees that take values from like rows are closer in CRPS on abalone and miniboone, by 4 %,
  and fluvial on adult, by 2 %; one fold each. Labels are level on abalone, where these rows hold too few to tell, and
  right more often on adult; few draws make other fillers' guesses rough.
"""
