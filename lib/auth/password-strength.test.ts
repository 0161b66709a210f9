import { expect, it } from "vitest";
import { passwordBits, requireStrongPassword } from "./password-strength.ts";

const own = ["ada.lovelace@engines.example", "Ada Lovelace"];

it.each([
  "0123456789",
  "012345678901",
  "aaaaaaaaaa",
  "aaaaaaaaaaaaaaaaaaaaaaaa",
  "abababababababab",
  "password12",
  "password1234",
  "Password2026!",
  "P@ssw0rd-P@ssw0rd",
  "passwordpassword",
  "qwertyuiopasdf",
  "1qaz2wsx3edc4rfv",
  "zyxwvutsrqponm",
  "Admin-Admin-2026",
  "Summer2026!!!!",
  "summer winter 2024!",
  "Supravisor2026!!",
  "supravisor-admin",
  "welcome to vmware",
  "iloveyouiloveyou",
  "ada.lovelace@engines.example",
  "LovelaceAda1815!",
  "engines engines engines",
  "111111111111111111",
  "20242025202620272028",
])("refuses %j", (password) => {
  expect(() => requireStrongPassword(password, own)).toThrow(
    expect.objectContaining({ code: "password.too-weak", kind: "invalid" }),
  );
});

it.each([
  "correct horse battery",
  "operators are calm",
  "another long password",
  "long enough 1",
  "Correct-Horse-9",
  "wintry ploughs hum",
  "k7#vQz9!mWp2",
  "Straßenbahnhaltestelle Ost",
  "пароль из четырёх слов",
  "ada likes purple gearwheels",
])("takes %j", (password) => {
  expect(() => requireStrongPassword(password, own)).not.toThrow();
});

it("does not grow with what is sent", () => {
  // Worst of all: everything repeats, so every part is looked at.
  const work = (length: number): number => {
    const start = performance.now();
    for (let i = 0; i < 5; i += 1) passwordBits("ab".repeat(length / 2), own);
    return performance.now() - start;
  };
  work(64);
  expect(work(256)).toBeLessThan(20 * work(64) + 200);
});

it("judges a long password by its better end", () => {
  expect(passwordBits(`${"a".repeat(100)}k7#vQz9!mWp2`, own)).toBeGreaterThan(38);
  expect(passwordBits("a".repeat(256), own)).toBeLessThan(38);
});
