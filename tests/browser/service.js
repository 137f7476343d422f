// The built program as a process.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PROGRAM = process.env.ONRECORD ?? fileURLToPath(new URL("../../target/debug/onrecord", import.meta.url));
const LISTENING = "listening on ";

// A test that is interrupted takes its service with it, see `start`.
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

/**
 * Calls `use` with the address of a service on a free port with a PostgreSQL of its own. Whatever happens in `use`, the
 * service is stopped; it must then exit with 0 and leave no PostgreSQL behind. Settings are variables.
 */
export async function withService(use, settings = {}) {
  const directory = await mkdtemp(join(tmpdir(), "onrecord-"));
  // If we are root, PostgreSQL runs as another user, who must get in.
  await chmod(directory, 0o755);
  const service = start(join(directory, "data"), settings);
  try {
    await use(await service.address());
    await service.stop();
  } finally {
    await service.stop().catch(() => {});
    await rm(directory, { recursive: true, force: true });
  }
}

/** The same, for those who show a key: calls `use` with the secret of one with these scopes as well. */
export async function withKeyedService(scopes, use) {
  const directory = await mkdtemp(join(tmpdir(), "onrecord-keys-"));
  try {
    const keys = join(directory, "keys.toml");
    const options = scopes.flatMap((scope) => ["--scope", scope]);
    const made = execFileSync(PROGRAM, ["key", "new", ...options, "--api-keys-file", keys], { stdio: "pipe" });
    await withService((address) => use(address, made.toString().trim()), { API_KEYS_FILE: keys });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function start(dataDir, settings) {
  const { PATH, PG_BIN } = process.env;
  const environment = { PATH, ...(PG_BIN && { PG_BIN }) };
  const program = spawn(PROGRAM, {
    env: { ...environment, LISTEN: "127.0.0.1:0", DATA_DIR: dataDir, LOG_FORMAT: "json", ...settings },
    stdio: ["ignore", "inherit", "pipe"],
  });
  const kill = () => program.kill();
  process.once("exit", kill);
  const exit = once(program, "exit");
  const failure = (what) => new Error(`${what}; its log:\n${log.join("\n")}`);

  const log = [];
  const lines = createInterface(program.stderr);
  const listening = new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      log.push(line);
      const message = JSON.parse(line).fields.message ?? "";
      if (message.startsWith(LISTENING)) resolve(message.slice(LISTENING.length).split(";")[0]);
    });
    exit.then(() => reject(failure("the service has ended")), reject);
  });
  // Whoever waits is told; nobody may be waiting any more.
  listening.catch(() => {});

  return {
    address: () => listening,
    async stop() {
      program.kill("SIGTERM");
      const [code, signal] = await exit;
      process.off("exit", kill);
      if (code !== 0) throw failure(`the service ended with ${code ?? signal}`);
      const left = await stat(join(dataDir, "postgres", "postmaster.pid")).catch(() => null);
      if (left) throw failure("the service left its PostgreSQL running");
    },
  };
}
