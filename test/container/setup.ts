/** Within a container nothing can be preloaded: its replies are recorded where they arrive. */
import { createRequire } from 'node:module';

createRequire(import.meta.url)('../replies/client-recorder.cjs');
