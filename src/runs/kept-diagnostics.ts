import { MOST_KEPT } from '../contract/limits.ts';
import type { RecordedDiagnostics } from '../contract/runs.ts';

/** Stored part of a diagnosis: about 8 KB at most for any number of non-finite values. */
export function keepDiagnostics(diagnostics: RecordedDiagnostics): RecordedDiagnostics {
  const { locations, local_losses: localLosses } = diagnostics;
  return {
    ...diagnostics,
    ...(locations && { locations: locations.slice(0, MOST_KEPT) }),
    ...(localLosses && { local_losses: localLosses.slice(0, MOST_KEPT) }),
  };
}
