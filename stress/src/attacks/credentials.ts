import { generate } from "selfsigned";
import type { Credentials } from "./raw-peer.ts";

/** Keys of one authority for a side named `localhost`. */
export async function makeCredentials(): Promise<Credentials> {
  const authority = await generate([{ name: "commonName", value: "Authority" }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, digitalSignature: true, critical: true },
    ],
  });
  const { cert, private: key } = await generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    algorithm: "sha256",
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "subjectAltName", altNames: [{ type: 2 as const, value: "localhost" }] },
    ],
  });
  return { cert, key, ca: authority.cert };
}
