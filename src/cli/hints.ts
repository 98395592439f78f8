/** Commands as the user would type them, in every message. */

import { userAndHost } from "../base/hosts.ts";
import type { NodeId } from "../base/types.ts";
import type { PeerName } from "../node/events.ts";
import { shellQuote } from "./wording.ts";

/** Where a bare command would mean another cluster: " --cluster g4", else "". */
export interface ClusterFlags {
  /** A client finds the only cluster that runs here by itself. */
  readonly client: string;
  /** `wipe` goes by the data that lies here. */
  readonly data: string;
}

/** Where a node's data is when that is not the usual place: a command without it would mean another
 *  node, an empty one. */
export interface DataPlace {
  readonly dataDir: string | null;
  /** The machine that it is on; null when nobody knows. */
  readonly host: string | null;
}

/** Where a peer's data is. */
export function dataPlaceOf({ dataDir, userHost }: PeerName): DataPlace {
  return { dataDir, host: userHost === null ? null : userAndHost(userHost).host };
}

/** What a command knows of directories. */
export interface TypedPlaces {
  /** A path of this machine as it is typed here, quoted for the shell: "d2", "~/raft/d2". */
  readonly typed: (path: string) => string;
  /** This machine's name. */
  readonly host: string;
  /** The data of this command's own nodes, when it is not in the usual place. */
  readonly directoryOf: (id: NodeId) => string | null;
  /** Others of the cluster have their data elsewhere: so may one of which nothing is known. */
  readonly areElsewhere: boolean;
  /** What `--local N` needs to find the same nodes; null: nothing. */
  readonly localDirectory: string | null;
}

const USUAL_PLACES: TypedPlaces = {
  typed: shellQuote,
  host: "",
  directoryOf: () => null,
  areElsewhere: false,
  localDirectory: null,
};
/** What a person fills in. */
const UNKNOWN_DIRECTORY = "DIR";

/** What is known of a start besides the node's id. */
interface StartHint {
  /** Further flags, as they are typed: " --peers 10.0.0.7". */
  readonly more?: string;
  /** Where its data is, as far as that is known. */
  readonly place?: DataPlace | null;
}

export class Hints {
  /** "./raft" */
  readonly executable: string;
  /** " --cluster g4" where `up` needs it, else "". */
  readonly clusterFlag: string;
  /** Nodes of `--local N`: they are started together, not one by one. */
  readonly local: number | null;
  readonly #flags: ClusterFlags;
  readonly #places: TypedPlaces;

  constructor(
    executable: string,
    clusterFlag = "",
    local: number | null = null,
    flags: ClusterFlags = { client: clusterFlag, data: clusterFlag },
    places: TypedPlaces = USUAL_PLACES,
  ) {
    this.executable = executable;
    this.clusterFlag = clusterFlag;
    this.local = local;
    this.#flags = flags;
    this.#places = places;
  }

  /** The same for the nodes of `--local count`. */
  forLocal(count: number): Hints {
    return new Hints(this.executable, this.clusterFlag, count, this.#flags, this.#places);
  }

  /** The same where nodes have their data elsewhere. */
  withPlaces(known: Partial<TypedPlaces>): Hints {
    const places = { ...this.#places, ...known };
    return new Hints(this.executable, this.clusterFlag, this.local, this.#flags, places);
  }

  /** How node `id` is started. */
  up(id: NodeId, { more = "", place = null }: StartHint = {}): string {
    if (this.local !== null) {
      const { localDirectory, typed } = this.#places;
      const where = localDirectory === null ? "" : ` --data-dir ${typed(localDirectory)}`;
      return `${this.executable} up --local ${this.local}${this.clusterFlag}${where}`;
    }
    return `${this.executable} up --id ${id}${this.clusterFlag}${this.#dataFlag(id, place)}${more}`;
  }

  /** The same node under a cluster name of its own. */
  upInCluster(id: NodeId, cluster: string): string {
    return `${this.executable} up --id ${id} --cluster ${cluster}`;
  }

  /** How the stopped node `id` is made new. */
  wipe(id: NodeId, place: DataPlace | null = null): string {
    return `${this.executable} wipe ${id}${this.#flags.data}${this.#dataFlag(id, place)}`;
  }

  /** Any other command: "status", "members add 4". `words`: what follows all flags. */
  command(rest: string, words = ""): string {
    return `${this.executable} ${rest}${this.#flags.client}${words}`;
  }

  #dataFlag(id: NodeId, place: DataPlace | null): string {
    const { directoryOf, typed, host, areElsewhere } = this.#places;
    const own = directoryOf(id);
    if (own !== null) return ` --data-dir ${typed(own)}`;
    if (place === null) return "";
    if (place.dataDir === null)
      return areElsewhere && place.host === null ? ` --data-dir ${UNKNOWN_DIRECTORY}` : "";
    const isHere = place.host === host;
    return ` --data-dir ${isHere ? typed(place.dataDir) : shellQuote(place.dataDir)}`;
  }
}
