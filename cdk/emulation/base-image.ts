// Makes a stand-in for the Dockerfile's base image from what this machine has, because the build must not need a registry of
// images: Node 24, npm, a shell, and the libraries these need.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const PROGRAMS = ["/bin/sh", "/bin/mkdir", "/bin/chown", "/bin/sed", "/bin/uname", "/usr/bin/dirname", "/usr/bin/env"];
/** How names become addresses, for the package registry. */
const NAME_SERVICES = ["libnss_dns.so.2", "libnss_files.so.2"].map((name) => `/lib/x86_64-linux-gnu/${name}`);
/** Certificates of this network's own, if it has any. */
const CERTIFICATES = process.env.NODE_EXTRA_CA_CERTS;

/** Tags an image with this name. `node` is the binary to put in. */
export function makeBaseImage(buildah: (args: string[]) => string, name: string, node: string): void {
  const root = mkdtempSync(join(tmpdir(), "base-image-"));
  const place = (from: string, to = from) => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    cpSync(realpathSync(from), join(root, to), { recursive: true });
  };
  try {
    place(node, "/usr/local/bin/node");
    for (const program of PROGRAMS) place(program);
    for (const file of NAME_SERVICES) if (existsSync(file)) place(file);
    if (CERTIFICATES) place(CERTIFICATES, "/etc/ssl/own.crt");
    for (const library of librariesOf([node, ...PROGRAMS])) place(library);
    const npm = join(npmFolder(), "npm");
    place(npm, "/usr/local/lib/node_modules/npm");
    for (const command of ["npm", "npx"]) {
      const script = `#!/bin/sh\nexec /usr/local/bin/node /usr/local/lib/node_modules/npm/bin/${command}-cli.js "$@"\n`;
      writeFileSync(join(root, "usr/local/bin", command), script, { mode: 0o755 });
    }
    mkdirSync(join(root, "tmp"), { mode: 0o1777 });
    mkdirSync(join(root, "root"));
    mkdirSync(join(root, "etc"), { recursive: true });
    writeFileSync(join(root, "etc/passwd"), "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n");
    writeFileSync(join(root, "etc/group"), "root:x:0:\nnode:x:1000:\n");
    const container = buildah(["from", "scratch"]).trim();
    buildah(["copy", "--quiet", container, root, "/"]);
    buildah(["config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container]);
    if (CERTIFICATES) buildah(["config", "--env", "NODE_EXTRA_CA_CERTS=/etc/ssl/own.crt", container]);
    buildah(["commit", "--quiet", "--rm", "--format", "docker", container, name]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const npmFolder = (): string => execFileSync("npm", ["root", "--global"], { encoding: "utf8" }).trim();

/** What the dynamic linker loads for these programs, itself included. */
function librariesOf(programs: readonly string[]): Set<string> {
  const told = programs.map((program) => execFileSync("ldd", [program], { encoding: "utf8" })).join("");
  return new Set(told.match(/\/\S+(?= \(0x)/g));
}

/** The base image that a Dockerfile names as its default. */
export const baseImageOf = (dockerfile: string): string =>
  /^ARG NODE_IMAGE=(\S+)$/m.exec(readFileSync(dockerfile, "utf8"))![1]!;
