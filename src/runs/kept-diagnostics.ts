import type { KeptDiagnostics } from './record.ts';

/** Most places, and most local losses, that are stored per batch. */
export const MOST_KEPT = 64;

/** Stored part of a diagnosis: about 8 KB at most for any number of non-finite values. */
export function keepDiagnostics(diagnostics: KeptDiagnostics): KeptDiagnostics {
  const { locations, local_losses: localLosses } = diagnostics;
  return {
    ...diagnostics,
    ...(locations && { locations: locations.slice(0, MOST_KEPT) }),
    ...(localLosses && { local_losses: localLosses.slice(0, MOST_KEPT) }),
  };
}
