const BAR_WIDTH = 40;
const LINE_STEP_PERCENT = 10;

/** Shows how far the work is: a bar where there is a terminal, a line at every tenth where there is none. */
export class Progress {
  readonly #total: number;
  readonly #output: NodeJS.WriteStream;
  #done = 0;
  #words = 0;
  #shownPercent = -1;

  constructor(total: number, output: NodeJS.WriteStream) {
    this.#total = total;
    this.#output = output;
  }

  add(done: number, words: number): void {
    this.#done += done;
    this.#words += words;
    this.#show();
  }

  /** Shows the end, and ends the bar's line. */
  finish(): void {
    this.#done = this.#total;
    this.#show(100);
    if (this.#output.isTTY) this.#output.write("\n");
  }

  /** What is done is counted in decoded text, which may have other bytes than the files: it isn't all before `finish`. */
  #show(most = 99): void {
    const percent = this.#total === 0 ? most : Math.min(Math.floor((this.#done * 100) / this.#total), most);
    const step = this.#output.isTTY ? 1 : LINE_STEP_PERCENT;
    if (percent < this.#shownPercent + step && !(percent === 100 && this.#shownPercent < 100)) return;
    this.#shownPercent = percent;
    const text = `${String(percent).padStart(3)} %  ${this.#words} words`;
    if (!this.#output.isTTY) this.#output.write(`progress ${text}\n`);
    else {
      const filled = Math.round((percent * BAR_WIDTH) / 100);
      this.#output.write(`\r[${"#".repeat(filled)}${" ".repeat(BAR_WIDTH - filled)}] ${text}`);
    }
  }
}
