// Figures as people read them. What is not known is a dash, never a zero.

const NOTHING = "–";
const known = (value) => typeof value === "number" && Number.isFinite(value);

/** 1234567 as 1,234,567. */
export function count(value) {
  if (!known(value)) return NOTHING;
  return Math.round(value).toLocaleString("en-US").replace("-", "−");
}

/** About three digits: 0.25, 12.3, 1,240, 12.4 k, 3.1 M. */
export function rate(value) {
  if (!known(value)) return NOTHING;
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (size === 0) return "0";
  if (size < 0.01) return `${sign}<0.01`;
  if (size < 10) return sign + size.toFixed(size < 1 ? 2 : 1);
  if (size < 10_000) return sign + Math.round(size).toLocaleString("en-US");
  if (size < 1e6) return `${sign}${(size / 1e3).toFixed(1)} k`;
  if (size < 1e9) return `${sign}${(size / 1e6).toFixed(1)} M`;
  return `${sign}${(size / 1e9).toFixed(1)} G`;
}

export function bytes(value) {
  if (!known(value)) return NOTHING;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value;
  let step = 0;
  while (size >= 1000 && step < units.length - 1) {
    size /= 1024;
    step += 1;
  }
  return `${size >= 100 || step === 0 ? Math.round(size) : size.toFixed(1)} ${units[step]}`;
}

export function milliseconds(value) {
  if (!known(value)) return NOTHING;
  if (value < 1) return `${value.toFixed(2)} ms`;
  if (value < 10) return `${value.toFixed(1)} ms`;
  if (value < 1000) return `${Math.round(value)} ms`;
  return seconds(value / 1000);
}

/** The two largest units: 3 d 4 h, 5 min 2 s, 12 s, 3.4 s. */
export function seconds(value) {
  if (!known(value)) return NOTHING;
  if (value < 10) return `${Number.isInteger(value) ? value : value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

export function percent(share) {
  if (!known(share)) return NOTHING;
  const value = share * 100;
  if (value > 99 && value < 100) return `${Math.min(value, 99.99).toFixed(2)}%`;
  return `${value >= 10 || value === 0 ? value.toFixed(value % 1 === 0 ? 0 : 1) : value.toFixed(2)}%`;
}

/** 14:03:27 here. */
export function clock(unix_ms) {
  if (!known(unix_ms)) return NOTHING;
  return new Date(unix_ms).toLocaleTimeString("en-GB");
}

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** What a node is called: its name, or the beginning of its id. */
export const nodeName = (node) => node.name || node.node_name || (node.id ?? node.node_id ?? "").slice(0, 8) || NOTHING;
