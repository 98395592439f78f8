/** Publishes to a JetStream stream and hears its acknowledgements. NATS' protocol is lines of text:
 *
 *      PUB <subject> <reply> <bytes>\r\n<entry>\r\n
 *      MSG <reply> <subscription> <bytes>\r\n{"stream":"...","seq":7}\r\n
 *
 *  It is spoken here for the reason given in `etcd-puts.ts`. */
import type { Socket } from "node:net";
import { type Answers, connectTo, Inbox, Outbox, type Puts } from "./wire.ts";

const NEW_LINE = 0x0a;
const END = Buffer.from("\r\n");

/** Connects to the server on `port`; entries go to `subject`. */
export async function openNatsPuts(
  port: number,
  subject: string,
  answers: Answers,
): Promise<NatsPuts> {
  return new NatsPuts(await connectTo(port), subject, answers);
}

export class NatsPuts implements Puts {
  readonly #socket: Socket;
  readonly #answers: Answers;
  readonly #outbox = new Outbox();
  readonly #inbox = new Inbox();
  readonly #subject: string;
  readonly #reply = `_INBOX.${process.pid}.${crypto.randomUUID().slice(0, 8)}.`;

  constructor(socket: Socket, subject: string, answers: Answers) {
    this.#socket = socket;
    this.#subject = subject;
    this.#answers = answers;
    const options = { verbose: false, pedantic: false, headers: true, no_responders: true };
    const about = { lang: "raft-bench", version: "1", protocol: 1 };
    this.#say(`CONNECT ${JSON.stringify({ ...options, ...about })}\r\nSUB ${this.#reply}* 1\r\n`);
    socket.on("data", (chunk: Buffer) => this.#hear(chunk));
    socket.on("error", (error) => answers.failed(error.message));
    this.flush();
  }

  put(slot: number, _number: number, value: Uint8Array): void {
    this.#say(`PUB ${this.#subject} ${this.#reply}${slot} ${value.length}\r\n`);
    const { into, at } = this.#outbox.claim(value.length + END.length);
    into.set(value, at);
    into.set(END, at + value.length);
  }

  flush(): void {
    if (this.#outbox.length > 0) this.#socket.write(this.#outbox.take());
  }

  close(): void {
    this.#socket.removeAllListeners("data");
    this.#socket.destroy();
  }

  #say(line: string): void {
    const { into, at } = this.#outbox.claim(line.length);
    into.write(line, at, "latin1");
  }

  #hear(chunk: Buffer): void {
    const bytes = this.#inbox.add(chunk);
    let at = 0;
    for (;;) {
      const lineEnd = bytes.indexOf(NEW_LINE, at);
      if (lineEnd < 0) break;
      const line = bytes.toString("latin1", at, lineEnd - 1);
      const payloadBytes = /^H?MSG /.test(line)
        ? Number(line.slice(line.lastIndexOf(" ") + 1)) + END.length
        : 0;
      const end = lineEnd + 1 + payloadBytes;
      if (end > bytes.length) break;
      this.#handle(line, bytes.toString("latin1", lineEnd + 1, end));
      at = end;
    }
    this.#inbox.drop(at);
    this.flush();
  }

  #handle(line: string, payload: string): void {
    if (line.startsWith("PING")) this.#say("PONG\r\n");
    else if (line.startsWith("-ERR")) this.#answers.failed(line);
    else if (line.startsWith("HMSG")) this.#answers.failed(`not published: ${payload}`);
    else if (line.startsWith("MSG")) {
      const slot = Number(line.slice(4 + this.#reply.length, line.indexOf(" ", 4)));
      const seq = /"seq":(\d+)/.exec(payload)?.[1];
      if (seq !== undefined) this.#answers.acknowledged(slot, Number(seq));
      else this.#answers.failed(`not published: ${payload}`);
    }
  }
}
