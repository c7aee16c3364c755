/** Records the replies in the client: nothing can be preloaded into a container. */
import { createRequire } from 'node:module';

createRequire(import.meta.url)('../replies/client-recorder.cjs');
