# Hebrew

code-subject = הקוד שלך עבור { $app } הוא { $code }
code-subject-unnamed = הקוד שלך הוא { $code }
code-heading = הקוד שלך עבור { $app }
code-heading-unnamed = הקוד שלך
code-text = הקוד שלך עבור { $app } הוא { $code }
code-text-unnamed = הקוד שלך הוא { $code }
code-expiry = הוא תקף לשימוש אחד ויפוג בעוד { $lifetime }.
code-link = אפשר גם לפתוח את הקישור הזה כדי להתחבר:
code-button = התחברות
code-warning = אין לשתף את הקוד הזה עם אף אחד. אם לא ביקשת אותו, אפשר להתעלם מההודעה הזאת.

login-subject = התחברות אל { $app }
login-subject-unnamed = התחברות
login-link = כדי להתחבר, יש לפתוח את הקישור הזה במכשיר שבו ביקשת אותו:
login-copy = כדי להתחבר, יש להעתיק את הטקסט הזה למקום שבו ביקשת אותו:
login-button = התחברות
login-warning = אין לשתף את ההודעה הזאת עם אף אחד. אם לא ביקשת אותה, אפשר להתעלם ממנה.

recovery-subject = שחזור החשבון שלך ב־{ $app }
recovery-subject-unnamed = שחזור החשבון שלך
recovery-link = כדי לשחזר את החשבון, יש לפתוח את הקישור הזה במכשיר שבו ביקשת אותו:
recovery-copy = כדי לשחזר את החשבון, יש להעתיק את הטקסט הזה למקום שבו ביקשת אותו:
recovery-button = שחזור החשבון
recovery-warning = אין לשתף את ההודעה הזאת עם אף אחד. אם לא ביקשת אותה, ייתכן שמישהו אחר מנסה להיכנס לחשבון שלך; אפשר להתעלם מההודעה הזאת.

bundle-expiry = התוקף יפוג בעוד { $lifetime }.

sms = הקוד שלך עבור { $app }: { $code }
sms-unnamed = הקוד שלך: { $code }
sms-full = { sms }. יפוג בעוד { $lifetime }.
sms-full-unnamed = { sms-unnamed }. יפוג בעוד { $lifetime }.

minutes = { $number ->
    [one] דקה
    [two] שתי דקות
   *[other] { $number } דקות
    }
hours = { $number ->
    [one] שעה
    [two] שעתיים
   *[other] { $number } שעות
    }
days = { $number ->
    [one] יום
    [two] יומיים
   *[other] { $number } ימים
    }
