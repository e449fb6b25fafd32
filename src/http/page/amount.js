// Exact decimals: up to 20 digits before the point and 17 behind it, more than a number of this language holds.

const PLACES = 17;
const UNIT = 10n ** BigInt(PLACES);

/** The amount in units of 10^-17, or null for what is no decimal. */
export function parse(text) {
  const parts = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(String(text ?? ""));
  if (!parts || (parts[2] === "" && !parts[3])) return null;
  const fraction = (parts[3] ?? "").slice(0, PLACES).padEnd(PLACES, "0");
  const units = BigInt(parts[2] || "0") * UNIT + BigInt(fraction);
  return parts[1] === "-" ? -units : units;
}

/** Units of 10^-17 as a number, which is exact enough for a plot. */
export const toNumber = (units) => Number(units / UNIT) + Number(units % UNIT) / Number(UNIT);

export const number = (text) => {
  const units = parse(text);
  return units === null ? null : toNumber(units);
};

/** Units as the shortest decimal. */
export function print(units) {
  const magnitude = units < 0n ? -units : units;
  const fraction = (magnitude % UNIT).toString().padStart(PLACES, "0").replace(/0+$/, "");
  return `${units < 0n ? "-" : ""}${magnitude / UNIT}${fraction && `.${fraction}`}`;
}

/** With a comma every three digits before the point, and a real minus. */
export function grouped(text) {
  const parts = /^([+-]?)(\d+)(\.\d+)?$/.exec(String(text ?? ""));
  if (!parts) return String(text ?? "–");
  const sign = parts[1] === "-" ? "−" : "";
  return sign + parts[2].replace(/\B(?=(\d{3})+$)/g, ",") + (parts[3] ?? "");
}
