/**
 * Removes the steps that a later attempt superseded: those of a lower attempt than a step before them. Their batches stay, as
 * those of earlier attempts do.
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
