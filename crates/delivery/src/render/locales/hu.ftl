# Hungarian

code-subject = { $code } az Ön kódja ({ $app })
code-subject-unnamed = { $code } az Ön kódja
code-heading = Az Ön kódja: { $app }
code-heading-unnamed = Az Ön kódja
code-text = Az Ön kódja ({ $app }): { $code }
code-text-unnamed = Az Ön kódja: { $code }
code-expiry = Egyszer használható, és { $lifetime } múlva lejár.
code-link = Vagy nyissa meg ezt a linket a bejelentkezéshez:
code-button = Bejelentkezés
code-warning = Ne ossza meg ezt a kódot senkivel. Ha nem Ön kérte, figyelmen kívül hagyhatja ezt az üzenetet.

login-subject = Bejelentkezés: { $app }
login-subject-unnamed = Bejelentkezés
login-link = A bejelentkezéshez nyissa meg ezt a linket azon az eszközön, amelyen kérte:
login-copy = A bejelentkezéshez másolja ezt a szöveget oda, ahol kérte:
login-button = Bejelentkezés
login-warning = Ne ossza meg ezt az üzenetet senkivel. Ha nem Ön kérte, figyelmen kívül hagyhatja.

recovery-subject = Fiókja helyreállítása: { $app }
recovery-subject-unnamed = Fiókja helyreállítása
recovery-link = Fiókja helyreállításához nyissa meg ezt a linket azon az eszközön, amelyen kérte:
recovery-copy = Fiókja helyreállításához másolja ezt a szöveget oda, ahol kérte:
recovery-button = Fiók helyreállítása
recovery-warning = Ne ossza meg ezt az üzenetet senkivel. Ha nem Ön kérte, lehet, hogy valaki más próbál belépni a fiókjába; ezt az üzenetet figyelmen kívül hagyhatja.

bundle-expiry = { $lifetime } múlva lejár.

sms = { $app }: az Ön kódja { $code }
sms-unnamed = Az Ön kódja { $code }
sms-full = { sms }. { $lifetime } múlva lejár.
sms-full-unnamed = { sms-unnamed }. { $lifetime } múlva lejár.

minutes = { $number } perc
hours = { $number } óra
days = { $number } nap
