// A proxy that serves the service under a path of its own, as one serves several services under one name.

import { once } from "node:events";
import { createServer, request } from "node:http";

/**
 * Calls `use` with the origin of a proxy that serves the service at `address` under this prefix, like `/iris`, and nothing
 * elsewhere; and with the list of what the proxy was asked for, which grows, like `GET /iris/docs`.
 */
export async function withProxy(address, prefix, use) {
  const asked = [];
  const proxy = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    asked.push(`${method} ${url}`);
    if (!url.startsWith(`${prefix}/`)) {
      incoming.resume();
      outgoing.writeHead(404).end();
      return;
    }
    // The service has no keys, so it answers under the names of its own machine alone.
    const own = { ...headers, host: new URL(address).host };
    const forwarded = request(address, { method, path: url.slice(prefix.length), headers: own }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on("error", (error) => outgoing.destroy(error));
    incoming.pipe(forwarded);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  try {
    await use(`http://127.0.0.1:${proxy.address().port}`, asked);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
}
