import { connect } from "@colloquy/rpc";
import type { Connection } from "@colloquy/rpc";
import type { Line, Room } from "./room.ts";

/** One client: a connection of its own, and a function that the server calls. */
export class Member {
  readonly name: string;
  readonly #connection: Connection<Room>;
  readonly heard: Line[] = [];

  private constructor(name: string, connection: Connection<Room>) {
    this.name = name;
    this.#connection = connection;
  }

  static async join(address: string, name: string): Promise<Member> {
    const member = new Member(name, await connect<Room>(address));
    await member.#connection.remote.join(name, (line) => {
      member.heard.push(line);
    });
    return member;
  }

  async say(text: string): Promise<void> {
    await this.#connection.remote.say(this.name, text);
  }

  async stopListening(): Promise<void> {
    await this.#connection.remote.stopListening(this.name);
  }

  /** In order: calls under way finish, and the server is told. */
  async leave(): Promise<void> {
    await this.#connection.close();
  }

  /** As a broken network does it: no goodbye. */
  drop(): void {
    this.#connection.destroy();
  }
}
