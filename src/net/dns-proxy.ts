import type { IpAddress } from './address.ts';
import {
  addressesIn,
  answerLimit,
  DNS_STATUS,
  DNS_TYPE,
  type DnsQuestion,
  dnsAnswer,
  parseQuestion,
  truncateAnswer,
} from './dns.ts';
import type { HostNetwork, HostStream, StreamHandler } from './host.ts';
import type { Policy } from './policy.ts';
import { HOST_NAME, SUBNET } from './subnet.ts';

/** Questions that may wait for the host at a time; others are not answered, and asked again. */
const MAX_PENDING = 256;
/** Bytes of questions kept of one connection. */
const MAX_BUFFERED = 0xffff + 2;

/** Where addresses that mean nothing elsewhere are looked up by number: this network, this host, the link. */
const LOCAL_ZONES = [
  '0.in-addr.arpa',
  '127.in-addr.arpa',
  '254.169.in-addr.arpa',
  '2.0.10.in-addr.arpa',
  '255.255.255.255.in-addr.arpa',
  `${'0.'.repeat(31)}ip6.arpa`,
  '0.0.0.0.3.7.4.6.e.6.9.6.8.6.d.f.ip6.arpa',
  '8.e.f.ip6.arpa',
  '9.e.f.ip6.arpa',
  'a.e.f.ip6.arpa',
  'b.e.f.ip6.arpa',
];

/** Answers the guest's questions about names with what the host's resolver knows. */
export class DnsProxy {
  private readonly host: HostNetwork;
  private readonly policy: Policy;
  private waiting = 0;

  constructor(host: HostNetwork, policy: Policy) {
    this.host = host;
    this.policy = policy;
  }

  /** Questions that wait for the host. */
  get pending(): number {
    return this.waiting;
  }

  /** Answers a message of a datagram, in time. @param reply may never be called */
  datagram(message: Uint8Array, reply: (answer: Uint8Array) => void): void {
    const question = parseQuestion(message);
    if (question === undefined) return;
    const limit = answerLimit(message, question);
    this.answer(message, question, (answer) => reply(truncateAnswer(answer, question, limit)));
  }

  /** A connection of the guest's to the resolver: messages behind their lengths (RFC 1035, 4.2.2). */
  stream(handler: StreamHandler): HostStream {
    let buffered = new Uint8Array(0);
    let open = true;
    let answers = 0;
    let ending = false;
    const finish = (): void => {
      if (ending && answers === 0 && open) handler.ended();
    };
    void Promise.resolve().then(() => open && handler.opened());
    const question = (message: Uint8Array): void => {
      const asked = parseQuestion(message);
      if (asked === undefined) return;
      answers++;
      this.answer(message, asked, (answer) => {
        answers--;
        if (!open) return;
        const framed = new Uint8Array(2 + answer.length);
        framed.set([answer.length >>> 8, answer.length & 0xff]);
        framed.set(answer, 2);
        handler.data(framed);
        finish();
      });
    };
    return {
      write(bytes) {
        const all = new Uint8Array(buffered.length + bytes.length);
        all.set(buffered);
        all.set(bytes, buffered.length);
        let at = 0;
        for (;;) {
          const end = at + 2 + ((all[at] << 8) | all[at + 1]);
          if (!(end <= all.length)) break;
          question(all.slice(at + 2, end));
          at = end;
        }
        buffered = all.slice(at, at + MAX_BUFFERED);
        void Promise.resolve().then(() => open && handler.drained(bytes.length));
      },
      end() {
        ending = true;
        finish();
      },
      reset() {
        open = false;
      },
      pause() {},
      resume() {},
    };
  }

  private answer(message: Uint8Array, question: DnsQuestion, reply: (answer: Uint8Array) => void): void {
    const local = this.local(question);
    if (local !== undefined) return reply(local);
    if (this.waiting >= MAX_PENDING) return reply(dnsAnswer(question, DNS_STATUS.serverFailure));
    this.waiting++;
    const isAddress = question.type === DNS_TYPE.a || question.type === DNS_TYPE.aaaa;
    const found = isAddress ? this.lookup(question) : this.forward(message, question);
    void found
      .catch(() => dnsAnswer(question, DNS_STATUS.serverFailure))
      .then((answer) => {
        this.waiting--;
        reply(answer);
      });
  }

  /** What is answered without the host. */
  private local(question: DnsQuestion): Uint8Array | undefined {
    const { name, type } = question;
    // Nobody else knows these, and programs that ask what they are called wait for the answer (RFC 6303).
    if (LOCAL_ZONES.some((zone) => name === zone || name.endsWith(`.${zone}`)))
      return dnsAnswer(question, DNS_STATUS.noSuchName);
    if (name === HOST_NAME) return this.addresses(question, [SUBNET.gateway, SUBNET.gateway6]);
    const mayAsk = type === DNS_TYPE.a || type === DNS_TYPE.aaaa || this.policy.allowsEverything;
    if (!mayAsk || !this.policy.allowsName(name)) return dnsAnswer(question, DNS_STATUS.refused);
    return undefined;
  }

  private async lookup(question: DnsQuestion): Promise<Uint8Array> {
    const found = await this.host.lookup(question.name);
    if (found.length === 0) return dnsAnswer(question, DNS_STATUS.noSuchName);
    this.policy.named(question.name, found);
    return this.addresses(question, found);
  }

  private async forward(message: Uint8Array, question: DnsQuestion): Promise<Uint8Array> {
    const answer = await this.host.query(message);
    this.policy.named(question.name, addressesIn(answer));
    return answer;
  }

  private addresses(question: DnsQuestion, addresses: readonly IpAddress[]): Uint8Array {
    const length = question.type === DNS_TYPE.a ? 4 : question.type === DNS_TYPE.aaaa ? 16 : 0;
    const records = addresses
      .filter((address) => address.length === length)
      .map((data) => ({ type: question.type, data }));
    return dnsAnswer(question, DNS_STATUS.ok, records);
  }
}
