/** Requests to a NATS server, one at a time: to make a stream and to ask for what it holds. */
import type { Socket } from "node:net";
import { connectTo, Inbox } from "./wire.ts";

const ANSWER_TIMEOUT_MS = 5_000;
const REPLY = "_INBOX.bench.requests";
const GREETING = `CONNECT {"verbose":false,"lang":"raft-bench","version":"1"}\r\nSUB ${REPLY} 1\r\n`;

export class NatsRequests {
  readonly #socket: Socket;
  readonly #inbox = new Inbox();
  #answer: (payload: string) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#hear(chunk));
    socket.on("error", () => this.close());
    socket.write(GREETING);
  }

  static async open(port: number): Promise<NatsRequests> {
    return new NatsRequests(await connectTo(port));
  }

  /** The answer to a request in JSON. Throws when there is none in time, or an error. */
  async ask(subject: string, request: object): Promise<unknown> {
    const body = JSON.stringify(request);
    const payload = await new Promise<string>((resolve, reject) => {
      const failure = new Error(`NATS does not answer ${subject}`);
      const timer = setTimeout(() => reject(failure), ANSWER_TIMEOUT_MS);
      this.#answer = (text) => {
        clearTimeout(timer);
        resolve(text);
      };
      this.#socket.write(`PUB ${subject} ${REPLY} ${body.length}\r\n${body}\r\n`);
    });
    const answer = JSON.parse(payload) as { readonly error?: { readonly description: string } };
    if (answer.error !== undefined) throw new Error(`${subject}: ${answer.error.description}`);
    return answer;
  }

  close(): void {
    this.#socket.destroy();
  }

  #hear(chunk: Buffer): void {
    const bytes = this.#inbox.add(chunk);
    let at = 0;
    for (;;) {
      const lineEnd = bytes.indexOf("\r\n", at);
      if (lineEnd < 0) break;
      const line = bytes.toString("latin1", at, lineEnd);
      const isMessage = line.startsWith("MSG ");
      const length = isMessage ? Number(line.slice(line.lastIndexOf(" ") + 1)) : 0;
      const end = lineEnd + 2 + (isMessage ? length + 2 : 0);
      if (end > bytes.length) break;
      if (isMessage) this.#answer(bytes.toString("utf8", lineEnd + 2, lineEnd + 2 + length));
      if (line.startsWith("PING")) this.#socket.write("PONG\r\n");
      at = end;
    }
    this.#inbox.drop(at);
  }
}
