/** A program that uses the cluster: the production client on a simulated wire. */

import type { Random } from "../base/random.ts";
import { RaftClient } from "../client/client.ts";
import type { ClientOptions } from "../client/types.ts";
import { worldOn } from "../client/wire.ts";
import { diceOf } from "./chance.ts";
import { Life } from "./life.ts";
import type { Network } from "./network.ts";
import type { Schedule } from "./schedule.ts";

export interface CustomerOptions {
  readonly schedule: Schedule;
  readonly network: Network;
  readonly random: Random;
  readonly host: string;
  readonly client: ClientOptions;
  /** After each of its events: promises must be let run. */
  readonly onPromise: () => void;
}

/** A process with a client in it. */
export class Customer {
  readonly life: Life;
  readonly host: string;
  readonly #options: CustomerOptions;

  constructor(options: CustomerOptions) {
    this.#options = options;
    this.host = options.host;
    this.life = new Life(options.schedule, 1, 0, options.onPromise);
  }

  connect(): Promise<RaftClient> {
    const { network, random, host, client, onPromise } = this.#options;
    onPromise();
    return RaftClient.connect(
      client,
      worldOn(() => ({
        clock: this.life.clock,
        discovery: {
          dice: diceOf(random),
          resolve: () => Promise.resolve(null),
          openLan: (options) => network.openLan(this.life, host, options),
        },
        datagramBytesMax: () => 1_200,
        openUdpSocket: (options) => network.openUdpSocket(this.life, host, options),
      })),
    );
  }

  /** Waits in the world's time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.life.clock.after(ms, resolve));
  }

  /** Its process ends, whatever it was about. */
  end(): void {
    this.life.alive = false;
    this.#options.network.forget(this.life);
  }
}
