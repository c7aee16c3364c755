import type { Server, Socket } from 'node:net';

/**
 * Counts the bytes that a server has received. This takes no time per request, because sockets count their bytes anyway.
 */
export function countReceivedBytes(server: Server): () => number {
  const sockets = new Set<Socket>();
  let ofClosed = 0;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      ofClosed += socket.bytesRead;
    });
  });
  return () => sockets.values().reduce((sum, { bytesRead }) => sum + bytesRead, ofClosed);
}
