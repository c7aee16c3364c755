import type { KeptDiagnostics } from './record.ts';

/** Places, and local losses, that are kept of one batch. */
export const MOST_KEPT = 64;

/** The part of a diagnosis that is kept: some 8 KB at most, however many values of the batch are not finite. */
export function keepDiagnostics(diagnostics: KeptDiagnostics): KeptDiagnostics {
  const { locations, local_losses: localLosses } = diagnostics;
  return {
    ...diagnostics,
    ...(locations && { locations: locations.slice(0, MOST_KEPT) }),
    ...(localLosses && { local_losses: localLosses.slice(0, MOST_KEPT) }),
  };
}
