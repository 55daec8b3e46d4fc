/** Something like a container whose shutdown never ends. */
export default function run(): { address: string; shutdown: () => Promise<void> } {
  setInterval(() => {}, 1000);
  return { address: "tcp://127.0.0.1:1", shutdown: async () => new Promise(() => {}) };
}
