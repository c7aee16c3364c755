import http from 'node:http';
import type { AgentOptions, ClientRequestArgs } from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { free } from '../../tensor/memory.ts';

type Connected = (error: Error | null, stream: Duplex) => void;

/**
 * Makes the agents of HTTP and HTTPS. Their connections free each received buffer (64 KiB) once the parser has copied it.
 * Otherwise the garbage collector runs for every few megabytes of an object, and takes half of the time of its transfer.
 */
export function makeAgents(options: AgentOptions): { httpAgent: http.Agent; httpsAgent: https.Agent } {
  return { httpAgent: new FreeingAgent(options), httpsAgent: new FreeingTlsAgent(options) };
}

class FreeingAgent extends http.Agent {
  override createConnection(options: ClientRequestArgs, connected?: Connected): Duplex | null | undefined {
    return freeing(super.createConnection(options, connected));
  }
}

class FreeingTlsAgent extends https.Agent {
  override createConnection(options: https.RequestOptions, connected?: Connected): Duplex | null | undefined {
    return freeing(super.createConnection(options, connected));
  }
}

function freeing(connection: Duplex | null | undefined): Duplex | null | undefined {
  // Other listeners of this event, the parser among them, run before the next tick.
  connection?.on('data', (received: Buffer) => process.nextTick(free, received));
  return connection;
}
