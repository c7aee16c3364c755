/**
 * Removes superseded steps: steps with a lower attempt than a step before them. Their batches stay, like the batches of
 * all earlier attempts.
 */
export default `
DELETE FROM steps WHERE (run, step) IN (
  SELECT run, step FROM (
    SELECT run, step, attempt, max(attempt) OVER (PARTITION BY run ORDER BY step) AS newest FROM steps
  ) WHERE attempt < newest
);
UPDATE runs SET
  steps = CASE WHEN name GLOB '~removed *' THEN 0 ELSE (SELECT count(*) FROM steps WHERE run = runs.id) END,
  non_finite_steps = (SELECT count(*) FROM steps WHERE run = runs.id AND non_finite = 1);
`;
