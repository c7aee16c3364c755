import manifest from '#manifest' with { type: 'json' };

/** The package's version. */
export const VERSION: string = manifest.version;
