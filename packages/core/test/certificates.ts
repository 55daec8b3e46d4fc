import { generate } from "selfsigned";
import type { TlsOptions } from "../src/tls-options.ts";

export interface Authority {
  readonly cert: string;
  /** A certificate for these names and addresses, with its key and the authority to trust. */
  issue(
    ...hosts: readonly string[]
  ): Promise<TlsOptions & { readonly cert: string; readonly key: string; readonly ca: string }>;
}

/** An authority of a test's own. */
export async function makeAuthority(name = "Test Authority"): Promise<Authority> {
  const own = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, digitalSignature: true, critical: true },
    ],
  });
  return {
    cert: own.cert,
    issue: async (...hosts) => {
      const issued = await generate([{ name: "commonName", value: hosts[0] ?? "nobody" }], {
        keyType: "ec",
        algorithm: "sha256",
        ca: { key: own.private, cert: own.cert },
        extensions: [
          { name: "basicConstraints", cA: false },
          { name: "keyUsage", digitalSignature: true, critical: true },
          {
            name: "subjectAltName",
            altNames: hosts.map((host) =>
              /^[\d.:]+$/.test(host) ? { type: 7 as const, ip: host } : { type: 2 as const, value: host },
            ),
          },
        ],
      });
      return { cert: issued.cert, key: issued.private, ca: own.cert };
    },
  };
}
