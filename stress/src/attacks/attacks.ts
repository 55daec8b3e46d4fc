import type { ClientAttack, ServerAttack } from "./attack.ts";
import { noAttacks } from "./no-attacks.ts";
import { connectionAttacksOnClients } from "./on-client-connections.ts";
import { messageAttacksOnClients } from "./on-clients.ts";
import { connectionAttacks } from "./on-connections.ts";
import { messageAttacks } from "./on-messages.ts";

export const onServers: readonly ServerAttack[] = [...noAttacks, ...messageAttacks, ...connectionAttacks];
export const onClients: readonly ClientAttack[] = [...messageAttacksOnClients, ...connectionAttacksOnClients];
